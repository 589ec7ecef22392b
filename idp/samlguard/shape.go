package samlguard

// Namespaces of the elements that the guard places.
const (
	nsProtocol  = "urn:oasis:names:tc:SAML:2.0:protocol"
	nsAssertion = "urn:oasis:names:tc:SAML:2.0:assertion"
	nsDSig      = "http://www.w3.org/2000/09/xmldsig#"
	nsDSig11    = "http://www.w3.org/2009/xmldsig11#"
	nsEnc       = "http://www.w3.org/2001/04/xmlenc#"
	nsExcC14N   = "http://www.w3.org/2001/10/xml-exc-c14n#"
	nsInclude   = "http://www.w3.org/2001/XInclude"
	nsXML       = "http://www.w3.org/XML/1998/namespace"
	nsXMLNS     = "http://www.w3.org/2000/xmlns/"
)

// node is an element that has a place of its own; every other element is free.
type node uint32

const (
	response node = 1 << iota
	assertion
	encryptedAssertion
	authnRequest
	logoutRequest
	logoutResponse
	issuer
	status
	statusCode
	subject
	nameID
	conditions
	signature
	signedInfo
	signatureValue
	keyInfo
	c14nMethod
	signatureMethod
	referenceElement
	transforms
	transform
	inclusive
	digestMethod
	digestValue
	encryptionMethod
	forbidden      // by name wherever it stands
	free      node = 0
)

type expanded struct{ space, local string }

var nodes = map[expanded]node{
	{nsProtocol, "Response"}:            response,
	{nsProtocol, "AuthnRequest"}:        authnRequest,
	{nsProtocol, "LogoutRequest"}:       logoutRequest,
	{nsProtocol, "LogoutResponse"}:      logoutResponse,
	{nsProtocol, "Status"}:              status,
	{nsProtocol, "StatusCode"}:          statusCode,
	{nsAssertion, "Assertion"}:          assertion,
	{nsAssertion, "EncryptedAssertion"}: encryptedAssertion,
	{nsAssertion, "Issuer"}:             issuer,
	{nsAssertion, "Subject"}:            subject,
	{nsAssertion, "NameID"}:             nameID,
	{nsAssertion, "Conditions"}:         conditions,
	{nsDSig, "Signature"}:               signature,
	{nsDSig, "SignedInfo"}:              signedInfo,
	{nsDSig, "SignatureValue"}:          signatureValue,
	{nsDSig, "KeyInfo"}:                 keyInfo,
	{nsDSig, "CanonicalizationMethod"}:  c14nMethod,
	{nsDSig, "SignatureMethod"}:         signatureMethod,
	{nsDSig, "Reference"}:               referenceElement,
	{nsDSig, "Transforms"}:              transforms,
	{nsDSig, "Transform"}:               transform,
	{nsDSig, "DigestMethod"}:            digestMethod,
	{nsDSig, "DigestValue"}:             digestValue,
	{nsExcC14N, "InclusiveNamespaces"}:  inclusive,
	{nsEnc, "EncryptionMethod"}:         encryptionMethod,
	{nsDSig, "Object"}:                  forbidden,
	{nsDSig, "Manifest"}:                forbidden,
	{nsDSig, "SignatureProperties"}:     forbidden,
	{nsDSig, "HMACOutputLength"}:        forbidden,
	{nsDSig, "RetrievalMethod"}:         forbidden, // KeyInfo that points elsewhere
	{nsDSig11, "KeyInfoReference"}:      forbidden,
	{nsInclude, "include"}:              forbidden,
}

const signable = response | assertion | authnRequest | logoutRequest | logoutResponse

// parents says where a node may stand. A Signature is a child of what it signs, an assertion a child of
// the Response: every wrapping attack (Somorovsky et al., "On Breaking SAML", 2012) needs one elsewhere.
var parents = map[node]node{
	assertion:          response,
	encryptedAssertion: response,
	signature:          signable,
	signedInfo:         signature,
	signatureValue:     signature,
	c14nMethod:         signedInfo,
	signatureMethod:    signedInfo,
	referenceElement:   signedInfo,
	transforms:         referenceElement,
	transform:          transforms,
	digestMethod:       referenceElement | encryptionMethod,
	digestValue:        referenceElement,
	inclusive:          transform,
	status:             response | logoutResponse,
	statusCode:         status | statusCode,
	subject:            assertion | authnRequest,
	conditions:         assertion | authnRequest,
}

// contents says which children a part of a signature must have, and may have. It holds nothing else.
var contents = map[node]struct{ must, may node }{
	signature:        {signedInfo | signatureValue, keyInfo},
	signedInfo:       {c14nMethod | signatureMethod | referenceElement, 0},
	referenceElement: {transforms | digestMethod | digestValue, 0},
	transforms:       {transform, 0},
	transform:        {0, inclusive},
	inclusive:        {},
	c14nMethod:       {},
	signatureMethod:  {},
	digestMethod:     {},
	digestValue:      {},
	signatureValue:   {},
}

const (
	algEnveloped = nsDSig + "enveloped-signature"
	algExcC14N   = nsExcC14N
	moreDSig     = "http://www.w3.org/2001/04/xmldsig-more#"
)

// algorithms is the allow-list by the element that names them. HMAC is not on it: a public key used as
// its secret would make anybody a signer. Neither is ECDSA, which no SAML peer of ours signs with.
var algorithms = map[node][]string{
	c14nMethod:      {algExcC14N},
	signatureMethod: {moreDSig + "rsa-sha256", moreDSig + "rsa-sha384", moreDSig + "rsa-sha512"},
	transform:       {algEnveloped, algExcC14N},
	digestMethod:    {nsEnc + "sha256", moreDSig + "sha384", nsEnc + "sha512"},
}

// sha1Algorithms are let pass only with Limits.SHA1.
var sha1Algorithms = map[node]string{
	signatureMethod: nsDSig + "rsa-sha1",
	digestMethod:    nsDSig + "sha1",
}
