// Asks the browser for what the data-options of a form say, puts the answer into the form and sends it. The server judges,
// and says what went wrong. It runs before form.js, which would take the first submit for the only one.
const decode = (text) => Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0))
const encode = (bytes) => btoa(Array.from(new Uint8Array(bytes), (b) => String.fromCharCode(b)).join(""))
  .replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "")

const asked = (part) => {
  const publicKey = JSON.parse(part.dataset.options)
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

const send = (form, button, credential, error) => {
  form.elements.credential.value = credential ? answer(credential) : ""
  form.elements.error.value = error ? error.name : ""
  if (button.hasAttribute("formaction")) form.action = button.getAttribute("formaction")
  form.submit()
}

// What asks is a form, or one part of a form that has others.
for (const part of document.querySelectorAll("[data-options]")) {
  const form = part.closest("form")
  const button = part.querySelector("button")
  const progress = part.querySelector(".progress")
  const others = "others" in progress.dataset // whether the page has another way
  if (!window.PublicKeyCredential || !navigator.credentials) {
    if (part.dataset.passkey !== "login") {
      progress.textContent = "This browser knows no passkeys." + (others ? " Choose another way." : "")
      button.hidden = true
    }
    continue
  }
  form.hidden = false
  let offered // what autofill offers meanwhile; one request only may be open
  const ask = (further) => navigator.credentials[part.dataset.passkey === "create" ? "create" : "get"]({ publicKey: asked(part), ...further })
  const begin = () => {
    button.disabled = true
    progress.textContent = "Waiting for your device…"
  }

  form.addEventListener("submit", async (event) => {
    if (event.submitter && event.submitter !== button) return
    event.preventDefault()
    event.stopImmediatePropagation()
    if (button.disabled) return
    begin()
    offered?.abort()
    try {
      send(form, button, await ask({}))
    } catch (error) {
      send(form, button, null, error)
    }
  })

  // Nobody has pressed anything yet: some browsers refuse that, and the button does it then.
  const start = async () => {
    begin()
    try {
      send(form, button, await ask({}))
    } catch {
      button.disabled = false
      progress.textContent = "Nothing was given yet. Press the button" + (others ? ", or choose another way." : ".")
      button.focus()
    }
  }
  if ("start" in part.dataset) start()

  // The browser may bring the page back as it was left.
  addEventListener("pageshow", (event) => {
    if (!event.persisted) return
    button.disabled = false
    progress.textContent = ""
  })

  if (part.dataset.passkey === "login") {
    offered = new AbortController()
    PublicKeyCredential.isConditionalMediationAvailable?.().then(async (available) => {
      if (available) send(form, button, await ask({ mediation: "conditional", signal: offered.signal }))
    }).catch(() => {}) // nothing was asked for; the name can still be typed
  }
}
