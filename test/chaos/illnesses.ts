/** By what is to become of a worker thread: the signal to its process that says so. */
export const ILLNESSES = { dies: 'SIGUSR2', hangs: 'SIGWINCH' } as const

export type Illness = keyof typeof ILLNESSES
