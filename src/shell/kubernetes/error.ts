/** What Kubernetes' API answers when it does not do what was asked. */

/** How a request failed. */
export type KubernetesErrorCode =
  /** no answer, or none that can be used: try again */
  | 'KUBERNETES_UNAVAILABLE'
  /** it answered that we may not, or nobody says who we are */
  | 'KUBERNETES_REFUSED'
  /** it does not remember what happened since then: list again */
  | 'KUBERNETES_GONE'

/** The world's fault, not ours; `cause` says more. */
export class KubernetesError extends Error {
  override readonly name = 'KubernetesError'
  readonly code: KubernetesErrorCode

  constructor(code: KubernetesErrorCode, sentence: string, options?: { readonly cause: unknown }) {
    super(sentence, options)
    this.code = code
  }
}

/** The error for an answer that is not 200, or for the `Status` object in a watch. */
export function refusalOf(status: number, message: string): KubernetesError {
  const sentence = `${status} ${message}`.trim()
  if (status === 410) return new KubernetesError('KUBERNETES_GONE', sentence)
  const code = status === 401 || status === 403 ? 'KUBERNETES_REFUSED' : 'KUBERNETES_UNAVAILABLE'
  return new KubernetesError(code, sentence)
}

/** What any thrown value says. */
export const sentenceOf = (error: unknown): string =>
  error instanceof Error ? error.message || error.name : String(error)
