/** Session tokens of administrators: JSON Web Tokens (RFC 7519) signed with JWT_SECRET. */
import { errors, jwtVerify, SignJWT } from 'jose'
import { z } from 'zod'
import { GatewayError } from '../../errors.ts'
import type { Gateway } from '../../gateway.ts'
import type { Runtime } from '../../runtime.ts'

const claims = { issuer: 'claude-relay-service', audience: 'claude-relay-service:admin' }

/** Lifetime of a token in seconds. */
export const tokenSeconds = 60 * 60

type TokenRuntime = Pick<Runtime, 'config' | 'now'>

/** What a token says, after its signature and its dates were checked. */
export interface Session {
  username: string
  tokenId: string
  /** `tokensValidAfterMs` of the administrator when the password was checked. */
  sinceMs: number
  expiresAtMs: number
}

const secret = ({ config }: TokenRuntime) => new TextEncoder().encode(config.JWT_SECRET)

/**
 * A token that says who it was issued to, valid for `tokenSeconds`.
 * @param sinceMs `tokensValidAfterMs` as it was read together with the password's hash. It is compared
 * for equality, so a login that overlaps a change of the password ends with that change.
 */
export async function issueToken(
  runtime: TokenRuntime,
  username: string,
  sinceMs = 0,
): Promise<string> {
  const issuedAt = Math.floor(runtime.now() / 1000)
  return new SignJWT({ since: sinceMs })
    .setProtectedHeader({ alg: 'HS256', typ: 'JWT' })
    .setIssuer(claims.issuer)
    .setAudience(claims.audience)
    .setSubject(username)
    .setJti(crypto.randomUUID())
    .setIssuedAt(issuedAt)
    .setExpirationTime(issuedAt + tokenSeconds)
    .sign(secret(runtime))
}

/** What the caller gets of a new session. */
export interface SessionToken {
  token: string
  /** Seconds. */
  expiresIn: number
}

/** A new session of this administrator. @param sinceMs see `issueToken`. */
export const newSession = async (
  runtime: TokenRuntime,
  username: string,
  sinceMs: number,
): Promise<SessionToken> => ({
  token: await issueToken(runtime, username, sinceMs),
  expiresIn: tokenSeconds,
})

/**
 * The session that a token belongs to; whether it was revoked, `refuseRevoked` finds out.
 * @param authorization value of the header.
 * @throws GatewayError `invalid_credentials`, saying whether the token is missing, expired or wrong.
 */
export async function verifyToken(
  runtime: TokenRuntime,
  authorization: string | undefined,
): Promise<Session> {
  const token = /^Bearer +(\S+)$/i.exec(authorization ?? '')?.[1]
  if (token === undefined) {
    throw refusal('Log in first, and send the token as Authorization: Bearer')
  }
  try {
    const { payload } = await jwtVerify(token, secret(runtime), {
      ...claims,
      algorithms: ['HS256'],
      requiredClaims: ['sub', 'iat', 'exp', 'jti', 'since'],
      currentDate: new Date(runtime.now()),
    })
    const { sub: username, jti: tokenId, exp = 0, since: sinceMs } = payload
    if (username && tokenId && typeof sinceMs === 'number') {
      return { username, tokenId, sinceMs, expiresAtMs: exp * 1000 }
    }
  } catch (error) {
    if (error instanceof errors.JWTExpired) throw refusal('The session has expired; log in again')
  }
  throw refusal('The token is not valid; log in again')
}

const RevocationReplies = z.tuple([z.string().nullable(), z.number()])

/**
 * Asks the store, in one round trip, whether the session is still valid.
 * @throws GatewayError `invalid_credentials` after a logout or a change of the password, and for an
 * administrator whom the store does not know.
 */
export async function refuseRevoked(
  { runtime, keyspace }: Gateway,
  { username, tokenId, sinceMs }: Session,
): Promise<void> {
  const replies = await runtime.redis
    .pipeline()
    .hget(keyspace.admin(username), 'tokensValidAfterMs')
    .exists(keyspace.revokedToken(tokenId))
    .exec()
  const [validAfterMs, isRevoked] = RevocationReplies.parse(replies)
  // A store that was emptied knows no administrator, and one who is made anew is another.
  if (isRevoked || validAfterMs === null || Number(validAfterMs) !== sinceMs) {
    throw refusal('The session has ended; log in again')
  }
}

/** Ends one session: its token is remembered for as long as it would have been valid. */
export async function revokeToken({ runtime, keyspace }: Gateway, session: Session): Promise<void> {
  const px = Math.max(1, Math.ceil(session.expiresAtMs - runtime.now()))
  await runtime.redis.set(keyspace.revokedToken(session.tokenId), '1', { px })
}

const refusal = (message: string) => new GatewayError('invalid_credentials', message)
