/*
Objects on their way to the API server: identity, and whatever else their kind has.
*/

import type { KubeObject } from '../kube/resource.ts'

export interface Manifest extends KubeObject {
  [field: string]: unknown
}
