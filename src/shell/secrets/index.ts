/** Secrets as files, as Kubernetes mounts them. */
export { SecretFiles } from './files.ts'
