/** Session tokens of administrators: JSON Web Tokens (RFC 7519) signed with JWT_SECRET. */
import { errors, jwtVerify, SignJWT } from 'jose'
import { GatewayError } from '../errors.ts'
import type { Runtime } from '../runtime.ts'

const claims = { issuer: 'claude-relay-service', audience: 'claude-relay-service:admin' }

/** Lifetime of a token in seconds. */
export const tokenSeconds = 60 * 60

type TokenRuntime = Pick<Runtime, 'config' | 'now'>

const secret = ({ config }: TokenRuntime) => new TextEncoder().encode(config.JWT_SECRET)

/** A token that says who it was issued to, valid for `tokenSeconds`. */
export async function issueToken(runtime: TokenRuntime, username: string): Promise<string> {
  const issuedAt = Math.floor(runtime.now() / 1000)
  return new SignJWT()
    .setProtectedHeader({ alg: 'HS256', typ: 'JWT' })
    .setIssuer(claims.issuer)
    .setAudience(claims.audience)
    .setSubject(username)
    .setIssuedAt(issuedAt)
    .setExpirationTime(issuedAt + tokenSeconds)
    .sign(secret(runtime))
}

/**
 * The administrator a request comes from.
 * @param authorization value of the header.
 * @throws GatewayError `invalid_credentials`, saying whether the token is missing, expired or wrong.
 */
export async function verifyToken(
  runtime: TokenRuntime,
  authorization: string | undefined,
): Promise<string> {
  const token = /^Bearer +(\S+)$/i.exec(authorization ?? '')?.[1]
  if (token === undefined) {
    throw refusal('Log in first, and send the token as Authorization: Bearer')
  }
  try {
    const { payload } = await jwtVerify(token, secret(runtime), {
      ...claims,
      algorithms: ['HS256'],
      requiredClaims: ['sub', 'iat', 'exp'],
      currentDate: new Date(runtime.now()),
    })
    if (payload.sub) return payload.sub
  } catch (error) {
    if (error instanceof errors.JWTExpired) throw refusal('The session has expired; log in again')
  }
  throw refusal('The token is not valid; log in again')
}

const refusal = (message: string) => new GatewayError('invalid_credentials', message)
