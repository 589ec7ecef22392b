// Asks the browser for what the data-options of a form say, puts the answer into the form and sends it. The server judges,
// and says what went wrong. It runs before form.js, which would take the first submit for the only one.
const decode = (text) => Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0))
const encode = (bytes) => btoa(Array.from(new Uint8Array(bytes), (b) => String.fromCharCode(b)).join(""))
  .replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "")

const asked = (form) => {
  const publicKey = JSON.parse(form.dataset.options)
  publicKey.challenge = decode(publicKey.challenge)
  if (publicKey.user) publicKey.user.id = decode(publicKey.user.id)
  for (const c of [...publicKey.excludeCredentials ?? [], ...publicKey.allowCredentials ?? []]) c.id = decode(c.id)
  return publicKey
}

const answer = (credential) => {
  const response = { clientDataJSON: encode(credential.response.clientDataJSON) }
  for (const part of ["attestationObject", "authenticatorData", "signature", "userHandle"]) {
    if (credential.response[part]) response[part] = encode(credential.response[part])
  }
  if (credential.response.getTransports) response.transports = credential.response.getTransports()
  const { id, type, authenticatorAttachment } = credential
  return JSON.stringify({ id, rawId: id, type, authenticatorAttachment, response, clientExtensionResults: {} })
}

const send = (form, credential, error) => {
  form.elements.credential.value = credential ? answer(credential) : ""
  form.elements.error.value = error ? error.name : ""
  form.submit()
}

for (const form of document.querySelectorAll("form[data-options]")) {
  const button = form.querySelector("button")
  if (!window.PublicKeyCredential || !navigator.credentials) {
    if (form.dataset.passkey !== "login") {
      form.querySelector(".progress").textContent = "This browser knows no passkeys. Choose another way."
      button.hidden = true
    }
    continue
  }
  form.hidden = false
  let offered // what autofill offers meanwhile; one request only may be open
  const ask = (further) => navigator.credentials[form.dataset.passkey === "create" ? "create" : "get"]({ publicKey: asked(form), ...further })

  form.addEventListener("submit", async (event) => {
    event.preventDefault()
    event.stopImmediatePropagation()
    if (button.disabled) return
    button.disabled = true
    form.querySelector(".progress").textContent = "Waiting for your device…"
    offered?.abort()
    try {
      send(form, await ask({}))
    } catch (error) {
      send(form, null, error)
    }
  })

  // The browser may bring the page back as it was left.
  addEventListener("pageshow", (event) => {
    if (!event.persisted) return
    button.disabled = false
    form.querySelector(".progress").textContent = ""
  })

  if (form.dataset.passkey === "login") {
    offered = new AbortController()
    PublicKeyCredential.isConditionalMediationAvailable?.().then(async (available) => {
      if (available) send(form, await ask({ mediation: "conditional", signal: offered.signal }))
    }).catch(() => {}) // nothing was asked for; the name can still be typed
  }
}
