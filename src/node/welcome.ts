/** The text after the first start: the password, which is shown only once, and the next three steps. */

/** Commands that can be pasted one after the other into a shell. */
export function welcome(options: {
  url: string
  username: string
  /** Undefined when it was set in ADMIN_PASSWORD: then it is not repeated here. */
  generatedPassword: string | undefined
}): string {
  const { url, username, generatedPassword } = options
  const password = generatedPassword ?? '<your ADMIN_PASSWORD>'
  const credentials = JSON.stringify({ username, password })
  return `
The gateway runs on ${url}

  admin user      ${username}
  admin password  ${generatedPassword ? `${generatedPassword}   (shown only now)` : 'as set in ADMIN_PASSWORD'}

Next, in another shell:

1. Log in

  TOKEN=$(curl -s ${url}/api/v2/auth/admin/login -H 'content-type: application/json' \\
    -d '${credentials}' | sed 's/.*"token":"\\([^"]*\\)".*/\\1/')

2. Add an upstream account (put your own key in); "trial" says whether it answers

  curl -s '${url}/api/v2/accounts/claude-console?test=true' -H "authorization: Bearer $TOKEN" \\
    -H 'content-type: application/json' \\
    -d '{"name":"first","apiUrl":"https://api.anthropic.com","apiKey":"sk-ant-..."}'

3. Create a gateway key; the answer's "key" is what a member uses

  curl -s ${url}/api/v2/keys -H "authorization: Bearer $TOKEN" \\
    -H 'content-type: application/json' -d '{"name":"my first key"}'
`
}
