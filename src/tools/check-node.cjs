/** Ends with a message on a Node that cannot run TypeScript. CommonJS, so that any Node can run it. */
const [major, minor] = process.versions.node.split('.').map(Number)

if (major < 22 || (major === 22 && minor < 18)) {
  process.stderr.write(`Node 22.18 or newer is needed, this is ${process.version}\n`)
  process.exitCode = 1
}
