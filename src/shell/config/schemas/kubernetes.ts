import { z } from 'zod'
import type { EndpointSlice, Service, ServiceObject } from '../../../core/intent/index.ts'
import { fieldOf, findings } from '../issues.ts'

/**
 * How Kubernetes writes services and their endpoints, and how a node is told where its API is. Of
 * its objects only what is read here is kept: there are thousands of them.
 */

/** Go writes what is not set as nothing, or as null. */
const optional = <Schema extends z.ZodType>(schema: Schema) =>
  schema.nullish().transform(value => value ?? undefined)

const text = z.string()
const named = { namespace: text.min(1).default('default'), name: text.min(1) }

const service = z.object({
  kind: z.literal('Service'),
  apiVersion: z.literal('v1'),
  metadata: z.object(named),
  spec: z.object({
    type: optional(text),
    clusterIP: optional(text),
    clusterIPs: optional(z.array(text)),
    externalIPs: optional(z.array(text)),
    loadBalancerIP: optional(text),
    externalTrafficPolicy: optional(text),
    ipFamilies: optional(z.array(text)),
  }),
  status: optional(
    z.object({
      loadBalancer: optional(
        z.object({ ingress: optional(z.array(z.object({ ip: optional(text) }))) }),
      ),
    }),
  ),
}) satisfies z.ZodType<Service>

const endpointSlice = z.object({
  kind: z.literal('EndpointSlice'),
  apiVersion: z.literal('discovery.k8s.io/v1'),
  metadata: z.object({ ...named, labels: optional(z.record(text, text)) }),
  addressType: text,
  endpoints: z
    .array(
      z.object({
        nodeName: optional(text),
        conditions: optional(z.object({ ready: optional(z.boolean()) })),
      }),
    )
    .nullish()
    .transform(endpoints => endpoints ?? []),
}) satisfies z.ZodType<EndpointSlice>

const SCHEMAS: Readonly<Record<ServiceObject['kind'], z.ZodType<ServiceObject>>> = {
  Service: service,
  EndpointSlice: endpointSlice,
}

/** Kinds of Kubernetes that are read, with the version in which they are. */
export const SERVICE_KINDS: Readonly<Record<ServiceObject['kind'], string>> = {
  Service: 'v1',
  EndpointSlice: 'discovery.k8s.io/v1',
}

/** True for the name of such a kind. */
export const isServiceKind = (kind: unknown): kind is ServiceObject['kind'] =>
  typeof kind === 'string' && Object.hasOwn(SERVICE_KINDS, kind)

/** An object, or what is wrong with it. Fields that nobody here knows are no fault. */
export type DecodedService =
  | { readonly object: ServiceObject }
  | { readonly faults: readonly { readonly field: string; readonly reason: string }[] }

/** Reads an object of a kind that `isServiceKind`. */
export function decodeService(kind: ServiceObject['kind'], value: unknown): DecodedService {
  const schema = SCHEMAS[kind]
  const result = schema.safeParse(value)
  if (result.success) return { object: result.data }
  const faults = findings(schema, value, result.error.issues)
  return { faults: faults.map(({ path, reason }) => ({ field: fieldOf(path), reason })) }
}

/** `kubernetes` of a node's configuration. */
export const kubernetesSchema = z.strictObject({
  kubeconfig: text
    .min(1)
    .optional()
    .describe('a file as kubectl has it; by default the service account of this node’s pod'),
  context: text.min(1).optional().describe('of that file; by default its current one'),
  node: text
    .min(1)
    .max(253)
    .optional()
    .describe('this node’s name in Kubernetes; by default as its Node object says, or the same'),
})
