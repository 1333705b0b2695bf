"use strict";
// qcode in VS Code: a terminal with it, what is selected handed over, files opened and compared.

const crypto = require("node:crypto");
const path = require("node:path");
const vscode = require("vscode");
const { Bridge, find } = require("./bridge");

const SELECTION_BYTES = 16 * 1024;
const DIAGNOSTICS = 200;
const DEBOUNCE_MS = 150;
const LOOK_EVERY_MS = 2000;
const SEVERITIES = ["error", "warning", "information", "hint"];

const key = `vscode-${crypto.randomUUID()}`;
let bridge = null;
let connecting = null;
let debounce = null;
let looking = null;
let status = null;
let last = null; // what was before the person in a file, while they are in the terminal

function places() {
  const found = (vscode.workspace.workspaceFolders || []).map((one) => one.uri.fsPath);
  const editor = vscode.window.activeTextEditor;
  if (editor && editor.document.uri.scheme === "file") {
    found.unshift(editor.document.uri.fsPath);
  }
  return found;
}

/** As many whole lines as may be handed over; the beginning of the first where it is too long. */
function cut(text) {
  if (Buffer.byteLength(text) <= SELECTION_BYTES) {
    return text;
  }
  // A character that is cut in two becomes one of three bytes.
  let kept = Buffer.from(text).subarray(0, SELECTION_BYTES - 3).toString("utf8");
  const end = kept.lastIndexOf("\n");
  return end > 0 ? kept.slice(0, end + 1) : kept;
}

function selectionOf(editor) {
  const chosen = editor.selection;
  if (chosen.isEmpty) {
    return undefined;
  }
  const text = cut(editor.document.getText(chosen));
  const first = chosen.start.line + 1;
  const count = text.split("\n").length - (text.endsWith("\n") ? 1 : 0);
  return { text, first, last: first + Math.max(count, 1) - 1 };
}

function diagnostics() {
  if (!vscode.workspace.getConfiguration("qcode").get("diagnostics", true)) {
    return undefined;
  }
  const found = [];
  for (const [uri, every] of vscode.languages.getDiagnostics()) {
    for (const one of uri.scheme === "file" ? every : []) {
      if (found.length >= DIAGNOSTICS) {
        return found;
      }
      found.push({
        file: uri.fsPath,
        line: one.range.start.line + 1,
        column: one.range.start.character + 1,
        severity: SEVERITIES[one.severity] || "error",
        message: String(one.message).slice(0, 1000),
        source: String(one.source || "").slice(0, 100),
      });
    }
  }
  return found;
}

function contextOf(editor) {
  const at = editor.selection.active;
  const open = vscode.workspace.textDocuments
    .filter((one) => one.uri.scheme === "file")
    .map((one) => one.uri.fsPath);
  return {
    file: editor.document.uri.fsPath,
    line: at.line + 1,
    column: at.character + 1,
    modified: editor.document.isDirty,
    selection: selectionOf(editor),
    open_files: open.slice(0, 100),
    diagnostics: diagnostics(),
  };
}

async function handOver() {
  const editor = vscode.window.activeTextEditor;
  if (editor && editor.document.uri.scheme === "file") {
    last = contextOf(editor);
  }
  if (last && bridge && bridge.isReady) {
    await bridge.ask("context", last).catch(() => {});
  }
}

function soon() {
  clearTimeout(debounce);
  debounce = setTimeout(handOver, DEBOUNCE_MS);
}

function show() {
  if (status) {
    status.text = bridge && bridge.isReady ? "$(plug) qcode" : "qcode";
    status.tooltip = bridge && bridge.isReady ? "qcode is connected" : "Open qcode in a terminal";
  }
}

async function open(message) {
  if (!path.isAbsolute(message.file || "")) {
    return;
  }
  const at = new vscode.Position(
    Math.max((message.line || 1) - 1, 0),
    Math.max((message.column || 1) - 1, 0),
  );
  const document = await vscode.workspace.openTextDocument(vscode.Uri.file(message.file));
  await vscode.window.showTextDocument(document, { selection: new vscode.Range(at, at) });
}

async function diff(message) {
  for (const one of message.files || []) {
    if (path.isAbsolute(one.before || "") && path.isAbsolute(one.after || "")) {
      const title = `${one.path || path.basename(one.after)} (${message.title || "qcode"})`;
      const uris = [one.before, one.after].map((file) => vscode.Uri.file(file));
      await vscode.commands.executeCommand("vscode.diff", ...uris, title, { preview: false });
    }
  }
}

const told = (work) => (message) =>
  work(message).catch((error) => vscode.window.showErrorMessage(`qcode: ${error.message}`));

/** The connection to a session, made if there is one to be had; null: there is none. */
async function connected() {
  if (bridge && bridge.isReady) {
    return bridge;
  }
  if (!connecting) {
    connecting = connect().finally(() => {
      connecting = null;
      show();
    });
  }
  return connecting;
}

async function connect() {
  const session = find(places(), key);
  if (!session) {
    return null;
  }
  const made = new Bridge(session, { open: told(open), diff: told(diff) }, () => {
    if (bridge === made) {
      bridge = null;
    }
    show();
  });
  try {
    // What is changed on disk is read anew by the editor itself.
    await made.start(["open", "diff"]);
  } catch {
    made.close();
    return null;
  }
  bridge = made;
  await handOver();
  return made;
}

function openTerminal() {
  const present = vscode.window.terminals.find((one) => one.name === "qcode");
  if (present && present.exitStatus === undefined) {
    present.show();
    return;
  }
  const [shellPath, ...shellArgs] = vscode.workspace.getConfiguration("qcode").get("command", [
    "qcode",
  ]);
  const terminal = vscode.window.createTerminal({
    name: "qcode",
    shellPath,
    shellArgs,
    env: { QCODE_BRIDGE_KEY: key },
    iconPath: new vscode.ThemeIcon("sparkle"),
  });
  terminal.show();
}

async function send(text, submit) {
  const session = await connected();
  if (!session) {
    const answer = await vscode.window.showWarningMessage("No qcode session is open here.", "Open");
    if (answer === "Open") {
      openTerminal();
    }
    return;
  }
  await handOver();
  await session
    .ask("prompt", { text, submit })
    .catch((error) => vscode.window.showWarningMessage(`qcode: ${error.message}`));
}

async function ask() {
  const asked = await vscode.window.showInputBox({ prompt: "What about the selection?" });
  if (asked) {
    const editor = vscode.window.activeTextEditor;
    const points = editor && !editor.selection.isEmpty && !asked.includes("@selection");
    await send(points ? `${asked} @selection` : asked, true);
  }
}

function activate(context) {
  status = vscode.window.createStatusBarItem(vscode.StatusBarAlignment.Right, 100);
  status.command = "qcode.open";
  show();
  status.show();
  looking = setInterval(() => connected().catch(() => {}), LOOK_EVERY_MS);
  looking.unref?.();
  context.subscriptions.push(
    status,
    vscode.commands.registerCommand("qcode.open", openTerminal),
    vscode.commands.registerCommand("qcode.send", ask),
    vscode.commands.registerCommand("qcode.mention", () => send("@selection ", false)),
    vscode.window.onDidChangeTextEditorSelection(soon),
    vscode.window.onDidChangeActiveTextEditor(soon),
    vscode.workspace.onDidSaveTextDocument(soon),
    vscode.languages.onDidChangeDiagnostics(soon),
    { dispose: deactivate },
  );
  return connected();
}

function deactivate() {
  clearTimeout(debounce);
  clearInterval(looking);
  if (bridge) {
    bridge.close();
  }
}

module.exports = { activate, deactivate };
