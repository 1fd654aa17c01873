// Facts as cards show them.
export interface Fact {
  readonly name: string
  readonly value: string
  /** Something was lost. */
  readonly bad?: boolean
}

export interface FactGroup {
  readonly title: string
  readonly facts: readonly Fact[]
}
