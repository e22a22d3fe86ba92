import { describe, expect, it } from 'vitest'
import { setCredential, subscriptionFault } from '../../src/platforms/credential.ts'

const sent = (credentialHeader: Parameters<typeof setCredential>[1]['credentialHeader']) => {
  const headers = new Headers()
  setCredential(headers, { credentialHeader }, 'secret', 'x-api-key')
  return Object.fromEntries(headers)
}
const token = (claims: object) => {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
  return `${part({ alg: 'RS256' })}.${part(claims)}.${'s'.repeat(80)}`
}

describe('the credential of an account', () => {
  it('goes into the header that the account chooses', () => {
    expect(sent('auto')).toEqual({ 'x-api-key': 'secret' })
    expect(sent('x-api-key')).toEqual({ 'x-api-key': 'secret' })
    expect(sent('api-key')).toEqual({ 'api-key': 'secret' })
    expect(sent('authorization')).toEqual({ authorization: 'Bearer secret' })
  })

  it('may not be a token of a subscription', () => {
    expect(subscriptionFault(`sk-ant-oat01-${'x'.repeat(80)}`)).toContain('Claude subscription')
    expect(subscriptionFault(token({ iss: 'https://auth.openai.com', sub: 'u' }))).toContain(
      'ChatGPT',
    )
  })

  it.each(['sk-ant-api03-x', 'sk-proj-x', 'plain', 'eyJ.x', token({ iss: 'https://login.other' })])(
    'may be any other key: %s',
    (key) => expect(subscriptionFault(key)).toBeUndefined(),
  )
})
