/** A certificate that signs itself, for upstream.example and proxy.example, until 2126. */
import { getCACertificates, setDefaultCACertificates } from 'node:tls'

export const certificate = {
  cert: `-----BEGIN CERTIFICATE-----
MIIBqjCCAVGgAwIBAgIUVznTOFrAK1+lldXCNVt6HaoZ7aYwCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJdGVzdCBvbmx5MCAXDTI2MTEyMzE1MTQxMVoYDzIxMjYxMDMw
MTUxNDExWjAUMRIwEAYDVQQDDAl0ZXN0IG9ubHkwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAATGthjUYAXcEz6fLXFILzRl3eu+hhCEUrxTQsa4Biamc8CLg3SGZcfS
6xlPsfRncQLwwq7JgQnAFntYEe+WIJuwo38wfTAdBgNVHQ4EFgQUDlqfP+H+LkAC
D8L/uLR+DYSZPw8wHwYDVR0jBBgwFoAUDlqfP+H+LkACD8L/uLR+DYSZPw8wDwYD
VR0TAQH/BAUwAwEB/zAqBgNVHREEIzAhghB1cHN0cmVhbS5leGFtcGxlgg1wcm94
eS5leGFtcGxlMAoGCCqGSM49BAMCA0cAMEQCIBuxwphSIyMzWvsrszwd8Z55HY2T
EIQSN7t9QgUq0SppAiAgubWfEN3tb6nYr3aGZ7IppUaWzllGBaDU5JMZinkj5w==
-----END CERTIFICATE-----
`,
  key: `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgkKDnhNkb9VMGCbxX
EVc43iGhFViXU0Jy99HumTv3QbmhRANCAATGthjUYAXcEz6fLXFILzRl3eu+hhCE
UrxTQsa4Biamc8CLg3SGZcfS6xlPsfRncQLwwq7JgQnAFntYEe+WIJuw
-----END PRIVATE KEY-----
`,
}

/** Makes this process trust the certificate, until the function it returns is called. */
export function trustCertificate(): () => void {
  const before = getCACertificates('default')
  setDefaultCACertificates([certificate.cert])
  return () => setDefaultCACertificates(before)
}
