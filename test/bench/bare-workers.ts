/** The Workers that the gateway is compared with: the least that each of them can be. */

/** Answers without asking anybody. */
export const emptyWorker = `export default { fetch: () => new Response('ok') }`

const passThrough = `
const forward = async (request, env) => {
  const { pathname, search } = new URL(request.url)
  const response = await fetch(new Request(env.UPSTREAM_URL + pathname + search, request))
  return new Response(response.body, response)
}`

/** Passes request and answer through. */
export const bareWorker = `${passThrough}
export default { fetch: forward }`

/** The same with two calls of the store, one before and one after it, as admission and settlement. */
export const bareWorkerWithStore = `${passThrough}
const callStore = async (env) => {
  const response = await fetch(env.STORE_URL, {
    method: 'POST',
    headers: { authorization: 'Bearer ' + env.STORE_TOKEN, 'content-type': 'application/json' },
    body: JSON.stringify(['ping', 'x'.repeat(1000)]),
  })
  return response.json()
}
export default {
  async fetch(request, env, ctx) {
    await callStore(env)
    const response = await forward(request, env)
    ctx.waitUntil(callStore(env))
    return response
  },
}`
