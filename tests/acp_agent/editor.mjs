// An editor for `qcode acp`, made with the official TypeScript library.
// `node editor.mjs FOLDER COMMAND…`; prints what it saw as one JSON object.
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { Readable, Writable } from "node:stream";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const [peers, folder, command, ...args] = process.argv.slice(2);
const found = createRequire(`${peers}/package.json`).resolve("@agentclientprotocol/sdk");
const acp = await import(pathToFileURL(found));

const child = spawn(command, [...args, "acp"], { stdio: ["pipe", "pipe", "inherit"] });
const stream = acp.ndJsonStream(Writable.toWeb(child.stdin), Readable.toWeb(child.stdout));
const seen = { updates: [], asked: [] };
const editor = acp
  .client({ name: "test-editor" })
  .onRequest(acp.methods.client.session.requestPermission, ({ params }) => {
    seen.asked.push(params.toolCall.title);
    const once = params.options.find((option) => option.kind === "allow_once");
    return { outcome: { outcome: "selected", optionId: once.optionId } };
  })
  .onRequest(acp.methods.client.fs.readTextFile, ({ params }) => ({
    content: readFileSync(params.path, "utf8"),
  }))
  .onNotification(acp.methods.client.session.update, ({ params }) => {
    seen.updates.push(params.update);
  });

await editor.connectWith(stream, async (agent) => {
  const { agent: its } = acp.methods;
  seen.initialized = await agent.request(its.initialize, {
    protocolVersion: acp.PROTOCOL_VERSION,
    clientCapabilities: { fs: { readTextFile: true, writeTextFile: false } },
  });
  const { sessionId, modes } = await agent.request(its.session.new, { cwd: folder, mcpServers: [] });
  seen.modes = modes.availableModes.map((mode) => mode.id);
  const prompt = [{ type: "text", text: "mend it" }];
  seen.done = await agent.request(its.session.prompt, { sessionId, prompt });
  seen.listed = (await agent.request(its.session.list, { cwd: folder })).sessions.length;
  seen.updates.length = 0;
  await agent.request(its.session.load, { sessionId, cwd: folder, mcpServers: [] });
});
console.log(JSON.stringify(seen));
child.stdin.end();
child.on("exit", (code) => process.exit(code ?? 1));
