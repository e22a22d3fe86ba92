/** The style of the documentation page. */

/** CSS; colours come from the browser, so that light, dark and high contrast all work. */
export const style = `
:root { color-scheme: light dark; --line: color-mix(in srgb, CanvasText 25%, Canvas); }
* { box-sizing: border-box; }
body { font: 16px/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 70rem; padding: 1rem; }
h2 { margin-top: 2rem; }
p { max-width: 50rem; white-space: pre-line; }
code, pre, textarea, input, select { font: 0.9rem/1.4 ui-monospace, monospace; }
label { display: inline-block; min-width: 9rem; }
input, select, textarea { padding: 0.3rem; max-width: 100%; width: 26rem; }
textarea { display: block; width: 100%; min-height: 9rem; }
button { font: inherit; padding: 0.3rem 1.2rem; cursor: pointer; }
pre { overflow: auto; max-height: 30rem; padding: 0.6rem; border: 1px solid var(--line); }
table { border-collapse: collapse; width: 100%; }
caption { text-align: left; font-weight: 600; padding: 0.5rem 0; }
th, td { border-bottom: 1px solid var(--line); padding: 0.3rem; text-align: left; vertical-align: top; }
td { overflow-wrap: anywhere; }
details.operation { border: 1px solid var(--line); border-radius: 4px; margin: 0.5rem 0; padding: 0 0.8rem; }
details.operation > summary { cursor: pointer; padding: 0.5rem 0; }
details.operation > div { padding-bottom: 1rem; }
.method { display: inline-block; min-width: 4.5rem; font-weight: 700; text-transform: uppercase; }
.skip { position: absolute; left: -100rem; }
.skip:focus { left: 1rem; }
nav a { margin-right: 1rem; }
:focus-visible { outline: 3px solid Highlight; outline-offset: 2px; }
`
