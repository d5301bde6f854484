// TLS of the gRPC server, whose certificates may change.
import * as grpc from '@grpc/grpc-js'
import type { Pem } from '../security.js'
import type { WatchedFiles } from '../watched_files.js'

/** Credentials that follow the certificates. */
export function serverCredentials(certificates: WatchedFiles<Pem>): grpc.ServerCredentials {
  const { createCertificateProviderServerCredentials } = grpc.experimental
  const ofIdentity = (use: grpc.experimental.IdentityCertificateUpdateListener): void =>
    use({ certificate: certificates.current.cert, privateKey: certificates.current.key })
  const ofAuthorities = (use: grpc.experimental.CaCertificateUpdateListener): void => use({ caCertificate: certificates.current.ca! })
  // who asks for updates is not ready for one before it has asked
  const provider: grpc.experimental.CertificateProvider = {
    addIdentityCertificateListener: (use) => {
      queueMicrotask(() => ofIdentity(use))
      certificates.follow(() => ofIdentity(use))
    },
    addCaCertificateListener: (use) => {
      queueMicrotask(() => ofAuthorities(use))
      certificates.follow(() => ofAuthorities(use))
    },
    removeIdentityCertificateListener: () => undefined,
    removeCaCertificateListener: () => undefined,
  }
  const wantsClient = certificates.current.ca !== undefined
  // identity first, whatever the names of its parameters say
  return createCertificateProviderServerCredentials(provider, wantsClient ? provider : null, wantsClient)
}
