/** What every host must do, told as journeys over HTTP against a real upstream on loopback. */
import { afterAll, beforeAll, beforeEach, describe } from 'vitest'
import { startUpstream, type Upstream } from '../support/upstream.ts'
import { type AdminClient, logIn } from './client.ts'
import type { GatewayHost, StartHost } from './host.ts'
import { administrationJourneys } from './journeys/administration.ts'
import { failoverJourneys } from './journeys/failover.ts'
import { inputJourneys } from './journeys/input.ts'
import { limitJourneys } from './journeys/limits.ts'
import { openAiJourneys } from './journeys/openai.ts'
import { queueJourneys } from './journeys/queue.ts'
import { relayJourneys } from './journeys/relay.ts'
import { schedulingJourneys } from './journeys/scheduling.ts'
import { sdkJourneys } from './journeys/sdks.ts'
import { websocketJourneys } from './journeys/websocket.ts'

/** What a journey works with; `host` and `admin` live as long as the suite, accounts do not. */
export interface Stage {
  readonly host: GatewayHost
  readonly admin: AdminClient
  readonly upstream: Upstream
  start: StartHost
  /** Adds an account on the upstream whose credential is `credential`. */
  addAccount(
    credential: string,
    fields?: Record<string, unknown>,
    platform?: 'claude-console' | 'codex',
  ): Promise<string>
  /** Removes every account, so that the next journey starts alone. */
  clearAccounts(): Promise<void>
}

/** Runs every journey on the host that `start` starts. */
export function describeJourneys(name: string, start: StartHost): void {
  describe(name, () => {
    let host: GatewayHost
    let admin: AdminClient
    let upstream: Upstream
    let accounts: { id: string; platform: string }[] = []

    beforeAll(async () => {
      upstream = await startUpstream()
      host = await start()
      admin = await logIn(host)
    })
    afterAll(async () => {
      await host?.close()
      await upstream?.close()
    })

    const stage: Stage = {
      get host() {
        return host
      },
      get admin() {
        return admin
      },
      get upstream() {
        return upstream
      },
      start,
      async addAccount(credential, fields, platform = 'claude-console') {
        const apiUrl = platform === 'codex' ? `${upstream.url}/v1` : upstream.url
        const account = { name: credential, apiUrl, apiKey: credential, ...fields }
        const { id } = await admin.createAccount(account, platform)
        accounts.push({ id, platform })
        return id
      },
      async clearAccounts() {
        for (const { id, platform } of accounts) {
          await admin.request('DELETE', `/accounts/${platform}/${id}`)
        }
        accounts = []
        upstream.requests.length = 0
        upstream.served.length = 0
      },
    }
    beforeEach(() => stage.clearAccounts())

    relayJourneys(stage)
    failoverJourneys(stage)
    schedulingJourneys(stage)
    limitJourneys(stage)
    queueJourneys(stage)
    inputJourneys(stage)
    administrationJourneys(stage)
    openAiJourneys(stage)
    sdkJourneys(stage)
    websocketJourneys(stage)
  })
}
