import type { Component } from './peers.js'

/**
 * What the page may do: show itself, with what the application serves. The build of the component compiles a schema as
 * soon as it is loaded, which is what `unsafe-eval` is for; without it, there is no page.
 */
export const POLICY = "default-src 'none'; script-src 'self' 'unsafe-eval'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"

export interface PageSettings {
  readonly title: string
  readonly component: Component | undefined
}

/** @param path at which the page was asked for, which may or may not end with a slash: its links are relative */
export function pageOf ({ title, component }: PageSettings, path: string): string {
  const base = escape(path.endsWith('/') ? '.' : `./${path.slice(path.lastIndexOf('/') + 1)}`)
  const links = `<a href="${base}/json">JSON</a> and <a href="${base}/yaml">YAML</a>`
  const version = encodeURIComponent(component?.version ?? '')
  const body = component === undefined
    ? `<h1>${escape(title)}</h1>
<p>The AsyncAPI document of this application is here as ${links}.</p>
<p>To read it on this page, the application needs one more package: <code>npm install @asyncapi/react-component</code></p>`
    : `<div id="asyncapi" data-document="${base}/json">Loading…</div>
<noscript><p>This page needs JavaScript. The document is here as ${links}.</p></noscript>
<script src="${base}/static/component.js?v=${version}"></script>
<script src="${base}/static/page.js"></script>`
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escape(title)}</title>
<link rel="icon" href="data:,">${component === undefined ? '' : `\n<link rel="stylesheet" href="${base}/static/component.css?v=${version}">`}
</head>
<body>
${body}
</body>
</html>
`
}

/**
 * What runs in the page. It does the part of the parser that the component needs: each `$ref` becomes the very thing
 * that it refers to, circles too, and things learn the names that they have as keys.
 */
export function scriptOf (config: object): string {
  return `const config = ${JSON.stringify(config)}
const root = document.querySelector('#asyncapi')
const named = (things, key) => { for (const [name, thing] of Object.entries(things ?? {})) thing[key] ??= name }

function at (document, pointer) {
  return pointer.slice(2).split('/').reduce((thing, key) => thing?.[decodeURIComponent(key).replaceAll('~1', '/').replaceAll('~0', '~')], document)
}

function resolved (document, thing, seen = new Set()) {
  for (let hops = 0; typeof thing?.$ref === 'string' && thing.$ref.startsWith('#/') && hops < 100; hops++) thing = at(document, thing.$ref) ?? {}
  if (typeof thing !== 'object' || thing === null || seen.has(thing)) return thing
  seen.add(thing)
  for (const key of Object.keys(thing)) if (key !== 'examples') thing[key] = resolved(document, thing[key], seen)
  return thing
}

fetch(root.dataset.document).then(async response => {
  if (!response.ok) throw new Error(response.status + ' ' + response.statusText)
  const schema = await response.json()
  for (const channel of Object.values(schema.channels)) named(channel.messages, 'x-parser-unique-object-id')
  named(schema.channels, 'x-parser-unique-object-id')
  named(schema.operations, 'x-parser-unique-object-id')
  named(schema.components?.schemas, 'x-parser-schema-id')
  AsyncApiStandalone.render({ schema: Object.assign(resolved(schema, schema), { 'x-parser-spec-parsed': true }), config }, root)
}).catch(error => { root.textContent = 'The document could not be loaded: ' + error.message })
`
}

function escape (text: string): string {
  return text.replaceAll(/[&<>"']/g, character => `&#${character.charCodeAt(0)};`)
}
