// Loaded by node before the real script (node --import). Standard input is a pipe that the Go parent holds open for as long as
// it lives; the kernel closes it when the parent ends, however it ends. That works on Linux and macOS alike, which a
// parent-death signal does not.
//
// The script may read standard input as well; lines reach it once it listens. Neither keeps a script alive that has nothing
// else to do.

const GRACE_MS = 15000; // as long as the parent itself waits where there is much to save

// Who reads what the script prints has ended as well: without this its first goodbye would be the end of it, before it has saved.
for (const out of [process.stdout, process.stderr]) out.on("error", () => {});

process.stdin.resume();
process.stdin.unref();
process.stdin.once("close", () => {
  // SIGTERM first, so that the script can save what it holds; then the end, whatever it does.
  setTimeout(() => process.exit(1), GRACE_MS);
  process.kill(process.pid, "SIGTERM");
});
