// Runs before the page has loaded, so that the browser keeps no way back to it.
document.forms[0].submit()
