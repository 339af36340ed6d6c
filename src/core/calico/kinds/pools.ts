import type { ObjectOf } from './object.ts'

/** Addresses as resources. What IPAM itself keeps under its own keys is in ../ipam/values.ts. */

/** Addresses that workloads may have. */
export type IpPoolResource = ObjectOf<'IPPool', IpPoolSpec>

/** How packets between nodes travel; absent is `Never`. */
export type EncapsulationMode = 'Never' | 'Always' | 'CrossSubnet'

/** What a pool is and how its routes are treated. */
export interface IpPoolSpec {
  readonly cidr: string
  readonly vxlanMode?: EncapsulationMode | undefined
  readonly ipipMode?: EncapsulationMode | undefined
  readonly natOutgoing?: boolean | undefined
  /** IPAM takes nothing from it any more; routes are not concerned */
  readonly disabled?: boolean | undefined
  readonly disableBGPExport?: boolean | undefined
  /** length of its blocks: 26 or 122 where absent */
  readonly blockSize?: number | undefined
  readonly nodeSelector?: string | undefined
  readonly namespaceSelector?: string | undefined
  /** absent: `Workload` and `Tunnel` */
  readonly allowedUses?: readonly ('Workload' | 'Tunnel' | 'LoadBalancer')[] | undefined
  readonly assignmentMode?: 'Automatic' | 'Manual' | undefined
}

/** Addresses of pools that IPAM does not assign by itself. */
export type IpReservationResource = ObjectOf<'IPReservation', IpReservationSpec>

/** Which ones. */
export interface IpReservationSpec {
  readonly reservedCIDRs?: readonly string[] | undefined
}

/**
 * The resource that calicoctl writes. In etcd the IPAM library does not read it but its own key:
 * `IpamConfig`.
 */
export type IpamConfigurationResource = ObjectOf<'IPAMConfiguration', IpamConfigurationSpec>

/** How blocks are handed out. */
export interface IpamConfigurationSpec {
  readonly strictAffinity?: boolean | undefined
  readonly maxBlocksPerHost?: number | undefined
  readonly autoAllocateBlocks?: boolean | undefined
  readonly kubeVirtVMAddressPersistence?: 'Enabled' | 'Disabled' | undefined
}

/** The v3 resource, which nobody keeps true in etcd: IPAM's own key is `BlockAffinity`. */
export type BlockAffinityResource = ObjectOf<'BlockAffinity', BlockAffinityResourceSpec>

/** Whose block. */
export interface BlockAffinityResourceSpec {
  readonly state: string
  readonly node: string
  readonly type?: string | undefined
  readonly cidr: string
  /** text: `"true"` or `"false"` */
  readonly deleted?: string | undefined
}
