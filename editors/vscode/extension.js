// Formats a document with `gradus fmt -`. A program that does not parse stays as it is, and its message is shown.
const { execFile } = require('child_process');
const vscode = require('vscode');

function format(document) {
  const command = vscode.workspace.getConfiguration('gradus', document.uri).get('command', 'gradus');
  const text = document.getText();
  return new Promise((resolve, reject) => {
    const child = execFile(command, ['fmt', '-'], { maxBuffer: 1 << 26 }, (error, stdout, stderr) => {
      if (error) {
        reject(new Error(error.code === 'ENOENT' ? `${command}: not found (setting gradus.command)` : stderr));
        return;
      }
      const all = new vscode.Range(document.positionAt(0), document.positionAt(text.length));
      resolve(stdout === text ? [] : [vscode.TextEdit.replace(all, stdout)]);
    });
    child.stdin.on('error', () => {});
    child.stdin.end(text);
  });
}

function activate(context) {
  context.subscriptions.push(
    vscode.languages.registerDocumentFormattingEditProvider('gradus', { provideDocumentFormattingEdits: format }),
  );
}

module.exports = { activate };
