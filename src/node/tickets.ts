/** Questions that wait for the drain, and those that wait for their answer, by ticket. */

export class Tickets<Request, Answer extends { readonly ticket: number }> {
  #requests: Request[] = []
  readonly #open = new Map<number, (answer: Answer) => void>()
  #ticket = 0

  /** Questions that have no answer yet. */
  get openCount(): number {
    return this.#open.size
  }

  /** Asks what `make` makes of a ticket; `onAnswer` is called at most once. */
  ask(make: (ticket: number) => Request, onAnswer: (answer: Answer) => void): void {
    const ticket = ++this.#ticket
    this.#open.set(ticket, onAnswer)
    this.#requests.push(make(ticket))
  }

  /** Gives an answer to whoever asked. */
  onAnswer(answer: Answer): void {
    const onAnswer = this.#open.get(answer.ticket)
    this.#open.delete(answer.ticket)
    onAnswer?.(answer)
  }

  /** What was asked since the last call. */
  take(): Request[] {
    const requests = this.#requests
    if (requests.length > 0) this.#requests = []
    return requests
  }
}
