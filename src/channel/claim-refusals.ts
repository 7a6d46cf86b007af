/** Why a register refuses a claim: by what the holder says, or by what the log has (rule 20). */

import { limits } from '../base/limits.ts'
import type { Claim, ClaimRecord, Holding } from '../peer/claim-message.ts'
import { type ErrorInfo, errors } from '../wire/errors.ts'

/** What a claim is told when a later one stands in the log; its key may still be good. */
export function laterRefusal({ proven }: ClaimRecord, keyClaim: number): ErrorInfo {
  return keyClaim < proven ? errors.invalidConnectionKey().info
    : errors.disconnected('Another claim of the connection was later; connect again').info
}

/** Why what the holder said ends the connection, if it does. */
export function refusalOf(holding: Holding, { keyClaim }: Claim): ErrorInfo | undefined {
  switch (holding.kind) {
    case 'held': {
      const isRetired = holding.isProven && holding.claim > keyClaim
      return isRetired ? errors.invalidConnectionKey().info : undefined
    }
    case 'ended':
      return holding.error
    case 'formerLife': {
      const isExpired = holding.livedMs > limits.connectionStateTtlMs
      return isExpired ? errors.connectionExpired().info : undefined
    }
  }
}
