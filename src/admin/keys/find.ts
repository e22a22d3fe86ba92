/** Finds the record of a gateway key and when it was used; for verbs, which check permissions first. */
import { z } from 'zod'
import type { ApiKey } from '../../catalog/api-key.ts'
import { readApiKey, type Stored } from '../../catalog/stored-records.ts'
import { GatewayError } from '../../errors.ts'
import type { Gateway } from '../../gateway.ts'
import { Rows, Values } from '../replies.ts'

/** When a key was first and last used, in milliseconds since the epoch; undefined = never. */
export interface ApiKeyUse {
  activatedAtMs: number | undefined
  lastUsedAtMs: number | undefined
}

export interface ApiKeyState {
  stored: Stored<ApiKey>
  use: ApiKeyUse
}

const Replies = z.tuple([Rows, Values])

/** Reads one key, deleted or not, and its use. @throws GatewayError `not_found` */
export async function findApiKey(
  { runtime, keyspace }: Gateway,
  keyId: string,
): Promise<ApiKeyState> {
  // A key that is rotated between the two reads is found under its next digest.
  for (let tries = 0; tries < 3; tries++) {
    const digest = await runtime.redis.get<string>(keyspace.apiKeyDigest(keyId))
    if (digest === null) break
    const replies = await runtime.redis
      .pipeline()
      .hgetall(keyspace.apiKey(digest))
      .hmget(keyspace.keyCounters(keyId), 'activatedAtMs', 'lastUsedAtMs')
      .exec()
    const [rows, use] = Replies.parse(replies)
    const stored = readApiKey(rows)
    if (!stored) continue
    const [activatedAtMs, lastUsedAtMs] = use.map((ms) => (ms ? Number(ms) : undefined))
    return { stored, use: { activatedAtMs, lastUsedAtMs } }
  }
  throw new GatewayError('not_found', 'No gateway key has this id')
}
