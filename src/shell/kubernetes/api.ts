import type { ServiceEvent, ServiceSource } from '../../core/intent/index.ts'
import type { KubernetesConfiguration } from '../config/index.ts'
import { KubernetesClient } from './client.ts'
import { gathered } from './gathered.ts'
import { type ApiTimes, Reflector } from './reflector.ts'

export type { ApiTimes } from './reflector.ts'

/** As patient as Kubernetes' own clients. */
const TIMES: ApiTimes = { answerMs: 30_000, watchSeconds: 300, pauseMs: 100, pauseMaxMs: 30_000 }

/** Changes that come together are one. */
const GATHER_MS = 50

/** Services and endpoints of a cluster, by its API. */
export class KubernetesServices implements ServiceSource {
  readonly #configuration: KubernetesConfiguration
  readonly #times: ApiTimes

  /** @param times  how patient to be, where not as usual */
  constructor(configuration: KubernetesConfiguration, times: Partial<ApiTimes> = {}) {
    this.#configuration = configuration
    this.#times = { ...TIMES, ...times }
  }

  /** @inheritDoc */
  watch(listener: (event: ServiceEvent) => void): { close(): void } {
    let timer: NodeJS.Timeout | undefined
    let told: string | undefined
    const tell = (): void => {
      timer = undefined
      const lost = services.lost ?? slices.lost
      if (lost !== undefined) {
        if (told === undefined) listener({ type: 'lost', why: lost })
        told = lost
        return
      }
      if (services.objects === undefined || slices.objects === undefined) return
      told = undefined
      const reads = [...services.objects.values(), ...slices.objects.values()]
      listener({ type: 'objects', objects: gathered(reads) })
    }
    const client = new KubernetesClient(this.#configuration)
    const common = {
      client,
      times: this.#times,
      changed: () => {
        timer ??= setTimeout(tell, GATHER_MS)
      },
    }
    const services = new Reflector({ kind: 'Service', ...common })
    const slices = new Reflector({ kind: 'EndpointSlice', ...common })
    return {
      close: () => {
        clearTimeout(timer)
        services.close()
        slices.close()
      },
    }
  }
}
