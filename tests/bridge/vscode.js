"use strict";
// Plays the extension for VS Code with a stand-in for its `vscode` module, which notes what is
// called. Started by tests/bridge/test_editors.py: folder, file and other file are its arguments.

const Module = require("node:module");
const fs = require("node:fs");
const path = require("node:path");
const assert = require("node:assert");

const [extension, folder, file, other] = process.argv.slice(2);
const calls = [];
const commands = {};
const listeners = {};
const on = (name) => (listener) => {
  listeners[name] = listener;
  return { dispose() {} };
};
const uri = (name) => ({ scheme: "file", fsPath: name });
const position = (line, character) => ({ line, character });
const text = fs.readFileSync(file, "utf8");
const document = {
  uri: uri(file),
  isDirty: true,
  getText: (range) => text.split("\n").slice(range.start.line, range.end.line + 1).join("\n"),
};
const editor = {
  document,
  selection: { isEmpty: true, start: position(0, 0), end: position(0, 0), active: position(0, 4) },
};
const stub = {
  Position: class {
    constructor(line, character) {
      Object.assign(this, { line, character });
    }
  },
  Range: class {
    constructor(start, end) {
      Object.assign(this, { start, end });
    }
  },
  ThemeIcon: class {},
  StatusBarAlignment: { Right: 2 },
  Uri: { file: uri },
  workspace: {
    workspaceFolders: [{ uri: uri(folder) }],
    textDocuments: [document],
    getConfiguration: () => ({ get: (_name, otherwise) => otherwise }),
    openTextDocument: async (one) => ({ uri: one }),
    onDidSaveTextDocument: on("save"),
  },
  window: {
    activeTextEditor: editor,
    terminals: [],
    createStatusBarItem: () => ({ show() {}, dispose() {} }),
    createTerminal(options) {
      calls.push(["createTerminal", options.shellPath, /^vscode-/.test(options.env.QCODE_BRIDGE_KEY)]);
      return { show() {} };
    },
    showTextDocument: async (one, options) =>
      calls.push(["showTextDocument", one.uri.fsPath, options.selection.start.line]),
    showWarningMessage: async (message) => calls.push(["showWarningMessage", message]),
    showErrorMessage: async (message) => calls.push(["showErrorMessage", message]),
    showInputBox: async () => "why?",
    onDidChangeTextEditorSelection: on("selection"),
    onDidChangeActiveTextEditor: on("editor"),
  },
  languages: {
    getDiagnostics: () => [
      [uri(file), [{ range: { start: position(1, 2) }, severity: 1, message: "bad", source: "lint" }]],
    ],
    onDidChangeDiagnostics: on("diagnostics"),
  },
  commands: {
    registerCommand(name, does) {
      commands[name] = does;
      return { dispose() {} };
    },
    executeCommand: async (name, ...rest) =>
      calls.push([name, rest[0].fsPath, rest[1].fsPath, rest[2]]),
  },
};

const load = Module._load;
Module._load = (name, ...rest) => (name === "vscode" ? stub : load(name, ...rest));

async function until(what, true_) {
  const end = Date.now() + 15000;
  while (!true_()) {
    assert.ok(Date.now() < end, `did not happen: ${what}: ${JSON.stringify(calls)}`);
    await new Promise((next) => setTimeout(next, 10));
  }
}

async function play() {
  const manifest = require(path.join(extension, "package.json"));
  const main = require(path.join(extension, manifest.main));
  const context = { subscriptions: [] };
  assert.ok(await main.activate(context), "it did not connect");
  const declared = manifest.contributes.commands.map((one) => one.command);
  assert.deepStrictEqual(Object.keys(commands).sort(), declared.sort());
  commands["qcode.open"]();
  editor.selection = {
    isEmpty: false,
    start: position(1, 0),
    end: position(2, 5),
    active: position(2, 5),
  };
  listeners.selection();
  await commands["qcode.send"]();
  await until("another file", () => calls.some(([name]) => name === "showTextDocument"));
  await until("a diff", () => calls.some(([name]) => name === "vscode.diff"));
  await commands["qcode.mention"]();
  await until("a refusal", () => calls.some(([name]) => name === "showWarningMessage"));
  assert.deepStrictEqual([...calls].sort(), [
    ["createTerminal", "qcode", true],
    ["showTextDocument", other, 1],
    ["showWarningMessage", "qcode: not now"],
    ["vscode.diff", file, other, "x (t)"],
  ]);
  for (const one of context.subscriptions) {
    one.dispose();
  }
}

play().catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
