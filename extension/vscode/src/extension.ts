import * as vscode from 'vscode';
import { LanguageClient, type LanguageClientOptions, type ServerOptions } from 'vscode-languageclient/node';

const BUILDS_OR_SENDS = new Set(['kernfix.suggest', 'kernfix.verify']);

let client: LanguageClient | undefined;
// Starts and stops follow one another, however fast they are asked for.
let turn: Promise<void> = Promise.resolve();

export async function activate(context: vscode.ExtensionContext): Promise<void> {
  context.subscriptions.push(
    vscode.commands.registerCommand('kernfix.restart', restart),
    vscode.workspace.onDidChangeConfiguration((event) => {
      if (event.affectsConfiguration('kernfix.server')) {
        void restart();
      }
    }),
    vscode.workspace.onDidGrantWorkspaceTrust(restart),
  );
  await restart();
}

export async function deactivate(): Promise<void> {
  await queue(stop);
}

function restart(): Promise<void> {
  return queue(async () => {
    await stop();
    await start();
  });
}

function queue(step: () => Promise<void>): Promise<void> {
  turn = turn.then(step, step);
  return turn;
}

async function start(): Promise<void> {
  const command = vscode.workspace.getConfiguration('kernfix').get<string>('server.path') || 'kernfix';
  const server: ServerOptions = { command, args: ['lsp'] };
  const options: LanguageClientOptions = {
    // C files too: fixes are offered on the lines that a crash marks, and the server must see unsaved text.
    documentSelector: [{ language: 'kernel-crash' }, { language: 'c', scheme: 'file' }],
    diagnosticCollectionName: 'kernfix',
    middleware: { executeCommand: onlyWhenTrusted },
  };
  client = new LanguageClient('kernfix', 'kernfix', server, options);
  try {
    await client.start();
  } catch (error) {
    client = undefined;
    const reason = error instanceof Error ? error.message : String(error);
    void vscode.window.showErrorMessage(
      `kernfix: cannot start "${command} lsp" (${reason}). Install it with "pip install kernfix", or set kernfix.server.path.`,
    );
  }
}

async function stop(): Promise<void> {
  const old = client;
  client = undefined;
  await old?.dispose();
}

/** Fixing and verifying run the tree's own build and may send code to a model, which an untrusted workspace must not cause. */
async function onlyWhenTrusted<T>(
  command: string,
  args: unknown[],
  next: (command: string, args: unknown[]) => T | Promise<T>,
): Promise<T | undefined> {
  if (BUILDS_OR_SENDS.has(command) && !vscode.workspace.isTrusted) {
    void vscode.window.showWarningMessage('kernfix: trust this workspace first; fixing and verifying run its build.');
    return undefined;
  }
  return next(command, args);
}
