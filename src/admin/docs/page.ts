/** The frame of the documentation page; its script fills it from `/openapi.json`. */

/** HTML. Without the script it still says where the document is. */
export const page = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>API of the gateway</title>
<link rel="stylesheet" href="/docs/style.css">
<script src="/docs/script.js" defer></script>
</head>
<body>
<a class="skip" href="#operations">Skip to the operations</a>
<header>
<h1 id="title">API of the gateway</h1>
<p id="description">The document is at <a href="/openapi.json">/openapi.json</a>.</p>
<section aria-labelledby="credentials">
<h2 id="credentials">Credentials</h2>
<p>Kept by this page only until it is closed or loaded again.</p>
<p><label for="admin-token">Admin token</label>
<input id="admin-token" type="password" autocomplete="off" spellcheck="false"></p>
<p><label for="gateway-key">Gateway key</label>
<input id="gateway-key" type="password" autocomplete="off" spellcheck="false"></p>
</section>
<nav id="tags" aria-label="Groups of operations"></nav>
</header>
<main id="operations" tabindex="-1"><p role="status" id="loading">Loading the document …</p></main>
<noscript><p>Showing the operations here needs JavaScript.</p></noscript>
</body>
</html>
`
