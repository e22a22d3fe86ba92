/** Reads the settings of Node: from the process environment, `.dev.vars` and the data directory. */
import { settingNames } from '../../config.ts'
import { bridgeSettingNames } from '../bridge/config.ts'
import { openDataDir } from './data-dir.ts'
import { nearestSetting } from './names.ts'
import type { Question } from './question.ts'
import { readSettingsFile, settingsFileName } from './settings-file.ts'

export type Environment = Record<string, string | undefined>

export interface GivenSettings {
  /** By name; blank counts as absent. */
  given: Record<string, string>
  questions: Question[]
}

const known = [...settingNames, ...bridgeSettingNames]

/**
 * The settings that are given; the environment wins over the file.
 * @param directories where the file is looked for; the first one that has it counts.
 * @throws ConfigError that names what cannot be read.
 */
export function readEnvironment(
  environment: Environment,
  directories?: readonly string[],
): GivenSettings {
  const file = readSettingsFile(directories)
  const given = { ...withoutBlank(file.settings), ...withoutBlank(environment) }
  const questions = [
    ...file.questions,
    ...unknownNames(Object.keys(file.settings)),
    ...nearNames(Object.keys(environment), given),
  ]
  return { given, questions }
}

/**
 * The same, completed by the secrets of the data directory, which is made when it is missing.
 * @throws ConfigError that names what cannot be read, or DATA_DIR when that cannot be used.
 */
export function readGatewayEnvironment(
  environment: Environment,
  directories?: readonly string[],
): GivenSettings {
  const { given, questions } = readEnvironment(environment, directories)
  const readSecrets = openDataDir(given.DATA_DIR ?? './data')
  const hasSecrets = given.JWT_SECRET !== undefined && given.ENCRYPTION_KEY !== undefined
  return { given: hasSecrets ? given : { ...readSecrets(), ...given }, questions }
}

/** The file is there for these settings alone, so that every other name in it is a mistake. */
const unknownNames = (names: string[]): Question[] =>
  names
    .filter((name) => !known.includes(name))
    .map((setting) => {
      const meant = nearestSetting(setting, known)
      const hint = meant === undefined ? '' : `; ${meant} may be meant`
      return { setting, message: `This name in ${settingsFileName} is not a setting${hint}` }
    })

/** The environment is full of the names of others: only what is nearly ours, and not set rightly too. */
const nearNames = (names: string[], given: Record<string, string>): Question[] =>
  names.flatMap((setting) => {
    const meant = known.includes(setting) ? undefined : nearestSetting(setting, known)
    if (meant === undefined || given[meant] !== undefined) return []
    const message = `This name in the environment is not a setting; ${meant} may be meant`
    return [{ setting, message }]
  })

function withoutBlank(environment: Environment): Record<string, string> {
  const entries = Object.entries(environment)
  return Object.fromEntries(
    entries.flatMap(([name, value]) => (value?.trim() ? [[name, value]] : [])),
  )
}
