import assert from "node:assert";
import test from "node:test";
import { escapeHtml } from "./escape.js";

test("signs are escaped", () => assert.equal(escapeHtml("a<b"), "a&lt;b"));
