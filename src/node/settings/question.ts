/** A setting that is valid, but probably not what was meant; told once, at start. */
export interface Question {
  /** The name of the setting, or of the file. */
  setting: string
  /** One sentence; holds no value of a setting. */
  message: string
}
