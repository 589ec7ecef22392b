package awssignin

// Texts that AWS shows, as its troubleshooting pages print them.
const (
	textInvalid     = "Your request included an invalid SAML response. To logout, click here."
	textNotAllowed  = "Not authorized to perform sts:AssumeRoleWithSAML"
	textExpired     = "Token must be redeemed within 5 minutes of issuance"
	textMetadata    = "Could not parse metadata"
	textNotOnboard  = "Access Denied. Your account has been authenticated, but has not been onboarded to this application."
	textSession     = "Session Expired"
	cureOurs        = "This is the gateway’s to write; if you see it, report it."
	cureSessionName = "Choose another attribute for session_name, or correct it in the directory."
)

// rules is what AWS sign-in checks, in the order in which it is judged: configuration first, then the
// document from the outside in. A rule whose needs did not hold is skipped, so that one fault gives one
// finding and nothing is read that was not verified.
var rules = []Rule{
	{
		ID: "M1", Level: Error, Where: "cfg", What: "the metadata document has 1,000 to 10,000,000 characters of UTF-8 without a byte order mark",
		Cure: "Upload the file that the gateway writes, unchanged.", AWS: textMetadata, Source: "IAM API model; Create a SAML provider", check: checkMetadataText,
	},
	{
		ID: "M3", Level: Strict, Where: "cfg", What: "the metadata has an IDPSSODescriptor for SAML 2.0 with a signing certificate and a SingleSignOnService",
		Cure: "Upload the file that the gateway writes, unchanged.", AWS: textMetadata, Source: "inferred", check: checkMetadataShape,
	},
	{
		ID: "M4", Level: Error, Where: "cfg", What: "every certificate can be read, has at least 1024 bits and no repeated extension",
		Cure: "Make a new key, RSA of 2048 bits or more.", AWS: textMetadata, Source: "Create a SAML provider; Troubleshoot SAML", check: checkCertificates,
	},
	{
		ID: "S3", Level: Strict, Where: "cfg", What: "signing keys are RSA of 2048 bits or more",
		Cure: "Make a new key, RSA of 2048 bits or more.", Source: "Create a SAML provider; rule of the house", check: checkKeyTypes,
	},
	{
		ID: "M5", Level: Strict, Where: "cfg", What: "the metadata has at most 10 keys and 10 EntityDescriptors",
		Cure: "Retire old keys and upload the metadata again.", AWS: textMetadata, Source: "IAM quotas", check: checkQuotas,
	},
	{
		ID: "M6", Level: Warn, Where: "cfg", What: "no certificate is near its end",
		Cure: "AWS does not look at it, others do: promote the next key.", Source: "Create a SAML provider", check: checkExpiry,
	},
	{
		ID: "M8", Level: Strict, Where: "cfg", What: "the metadata’s validUntil is absent or at least a year away",
		Cure: "Leave validUntil out of the metadata.", Source: "rule of the house", check: checkValidUntil,
	},
	{
		ID: "X1", Level: Error, Where: "cfg", What: "RelayState is the address that Connect documents for the partition, with the instance’s region and id",
		Cure: "Check the instance ARN in the configuration.", AWS: textSession, Source: "Configure SAML for Connect", check: checkRelayState,
	},
	{
		ID: "G1", Level: Error, Where: "cfg", What: "the sign-in address of Global Resiliency names account, role, provider and the instance of its host",
		Cure: "Write it as AWS does: https://INSTANCE.REGION.sign-in.connect.aws/saml?&instanceId=INSTANCE&accountId=ACCOUNT&role=ROLE&idp=PROVIDER.", Source: "Integrate your identity provider with Global Resiliency", check: checkResiliencyAddress,
	},
	{
		ID: "G2", Level: Strict, Where: "cfg", What: "there is no RelayState beside the sign-in address of Global Resiliency",
		Cure: "Leave the RelayState out, and write the page as destination into the sign-in address.", Source: "Integrate your identity provider with Global Resiliency", check: checkResiliencyRelay,
	},
	{
		ID: "X2", Level: Error, Where: "cfg", What: "the destination is percent-encoded and starts with / or is an https address",
		Cure: "Write the destination as a path of the instance, like /ccp-v2.", AWS: textSession, Source: "Configure SAML for Connect; Update your Connect domain", needs: []string{"X1", "G2"}, check: checkDestination,
	},
	{
		ID: "X7", Level: Warn, Where: "cfg", What: "the destination does not open Connect by its own address, which cannot sign in by SAML",
		Cure: "Write the destination as a path of the instance, like /ccp-v2.", Source: "Configure SAML for Connect", needs: []string{"X2"}, check: checkDirectly,
	},
	{
		ID: "X6", Level: Warn, Where: "cfg", What: "the region has Connect, and the sign-in address is that region’s",
		Cure: "Use the sign-in address of the instance’s region and list it in the role's trust policy.", Source: "Connect endpoints; Configure SAML for Connect", needs: []string{"X1", "G2"}, check: checkRegions,
	},

	{
		ID: "R1", Level: Error, Where: "resp", What: "SAMLResponse is base64 of 4 to 100,000 characters",
		Cure: "Send fewer attributes; check what stands between the browser and the sign-in.", AWS: textInvalid, Source: "STS API model; IAM quotas", check: checkEncoding,
	},
	{
		ID: "R2", Level: Strict, Where: "resp", What: "one plain UTF-8 SAML 2.0 Response with exactly one assertion and unique ids",
		Cure: cureOurs, AWS: textInvalid, Source: "SAML Core; rule of the house", needs: []string{"R1"}, check: checkDocument,
	},
	{
		ID: "S2", Level: Strict, Where: "resp", What: "signatures are RSA with SHA-256 or stronger, exclusive canonicalisation, one reference to what they stand in",
		Cure: cureOurs, AWS: textInvalid, Source: "seen in accepted responses; rule of the house", needs: []string{"R2"}, check: checkAlgorithms,
	},
	{
		ID: "R3", Level: Error, Where: "resp", What: "StatusCode is Success",
		Cure: "The gateway reports a failure; see its audit log.", AWS: "IDPRejectedClaim", Source: "STS API model", needs: []string{"S2"}, check: checkStatus,
	},
	{
		ID: "E1", Level: Error, Where: "resp", What: "where the provider requires encryption, the assertion is encrypted and the address ends in /saml/acs/ID",
		Cure: "Set the provider's encryption mode to Allowed, or encrypt.", AWS: textInvalid, Source: "Configure SAML assertions; Relying party trust", needs: []string{"R3"}, check: checkEncryptionMode,
	},
	{
		ID: "E2", Level: Error, Where: "resp", What: "an encrypted assertion uses AES-CBC or AES-GCM with an RSA-OAEP key",
		Cure: "Practise with encryption off; the private key is at AWS only.", AWS: textInvalid, Source: "Create a SAML provider", needs: []string{"E1"}, check: checkEncryption,
	},
	{
		ID: "S1", Level: Error, Where: "resp", What: "the assertion itself is signed with a key of the metadata",
		Cure: "Upload the gateway’s metadata to the IAM provider again; after a key change the old file no longer fits.", AWS: "Response signature invalid", Source: "AWS’s SP metadata; Troubleshoot SAML", needs: []string{"E2"}, check: checkSignature,
	},
	{
		ID: "R6", Level: Error, Where: "resp", What: "Issuer is the entityID of the metadata",
		Cure: "Upload the gateway’s metadata to the IAM provider again; its address may have changed.", AWS: "Failed to assume role: Issuer not present in specified provider", Source: "Troubleshoot SAML", needs: []string{"S1"}, check: checkIssuer,
	},
	{
		ID: "R7", Level: Error, Where: "resp", What: "IssueInstant is within five minutes of now",
		Cure: "Start again from the portal; if it stays, correct the gateway’s clock.", AWS: textExpired, Source: "text of STS", needs: []string{"S1"}, check: checkIssueInstant,
	},
	{
		ID: "R8", Level: Warn, Where: "resp", What: "an assertion is posted once",
		Cure: "Start again from the portal.", AWS: textInvalid, Source: "open: AWS does not say whether it remembers assertions", needs: []string{"S1"}, check: checkOneUse,
	},

	{
		ID: "U1", Level: Error, Where: "resp", What: "there is a NameID in one of the eight formats",
		Cure: cureOurs, AWS: textNotAllowed, Source: "Configure SAML assertions; Troubleshoot SAML", needs: []string{"S1"}, check: checkNameID,
	},
	{
		ID: "U2", Level: Error, Where: "resp", What: "there is one bearer SubjectConfirmation with NotOnOrAfter and Recipient",
		Cure: cureOurs, AWS: textInvalid, Source: "Configure SAML assertions", needs: []string{"S1"}, check: checkConfirmation,
	},
	{
		ID: "U3", Level: Error, Where: "resp", What: "Recipient is a sign-in address of AWS",
		Cure: "Remove sign_in_url, or set it to the address that this page names.", AWS: textNotAllowed, Source: "Configure SAML assertions; SDK endpoint rules", needs: []string{"U2"}, check: checkRecipient,
	},
	{
		ID: "R4", Level: Strict, Where: "resp", What: "Destination, Recipient and the address of the form are the same, and https",
		Cure: cureOurs, AWS: textNotAllowed, Source: "Configure SAML assertions", needs: []string{"U3"}, check: checkAddresses,
	},
	{
		ID: "R5", Level: Strict, Where: "resp", What: "there is no InResponseTo",
		Cure: cureOurs, Source: "inferred: AWS’s SP sends no requests", needs: []string{"U2"}, check: checkUnsolicited,
	},
	{
		ID: "U4", Level: Warn, Where: "cfg", What: "NameID does not tell who the person is",
		Cure: "Send a persistent opaque NameID; Connect reads the session name only.", Source: "STS API reference", needs: []string{"U1"}, check: checkNameIDPrivacy,
	},
	{
		ID: "U5", Level: Strict, Where: "resp", What: "SubjectConfirmationData has neither NotBefore nor Address",
		Cure: cureOurs, Source: "SAML Profiles §4.1.4.2; rule of the house", needs: []string{"U2"}, check: checkConfirmationExtras,
	},

	{
		ID: "C1", Level: Error, Where: "resp", What: "now lies within the times of Conditions and SubjectConfirmationData",
		Cure: "Start again from the portal; if it stays, correct the gateway’s clock.", AWS: textExpired, Source: "Create a SAML provider", needs: []string{"U2"}, check: checkValidity,
	},
	{
		ID: "C2", Level: Strict, Where: "resp", What: "the times are no wider than those AWS was seen to accept",
		Cure: cureOurs, Source: "text of STS; seen in accepted responses", needs: []string{"C1", "R7"}, check: checkWindow,
	},
	{
		ID: "C3", Level: Error, Where: "resp", What: "there is one audience, the partition’s",
		Cure: "Check the account type: commercial and GovCloud have different audiences.", AWS: "Response does not contain the required audience", Source: "Troubleshoot SAML; IAM in GovCloud", needs: []string{"S1"}, check: checkAudience,
	},
	{
		ID: "C4", Level: Warn, Where: "resp", What: "nothing shortens the session",
		Cure: "Leave SessionNotOnOrAfter out.", Source: "Configure SAML assertions", needs: []string{"S1"}, check: checkSessionEnd,
	},

	{
		ID: "T1", Level: Error, Where: "resp", What: "there is a Role attribute, spelled exactly, with a value",
		Cure: "Give the person’s group a role in the application’s configuration.", AWS: textInvalid, Source: "Configure SAML assertions; Troubleshoot SAML", needs: []string{"S1"}, check: checkRolePresent,
	},
	{
		ID: "T2", Level: Error, Where: "resp", What: "each Role value is one role and one SAML provider of one account and partition",
		Cure: "Check role, provider_name and the instance ARN in the configuration.", AWS: textInvalid, Source: "Configure SAML assertions; Create a SAML provider", needs: []string{"T1"}, check: checkRolePairs,
	},
	{
		ID: "T4", Level: Error, Where: "cfg", What: "account, role and provider have names that IAM can hold",
		Cure: "Check role, provider_name and account_number in the configuration.", AWS: textNotAllowed, Source: "IAM API model; STS API reference", needs: []string{"T2"}, check: checkRoleNames,
	},
	{
		ID: "T3", Level: Warn, Where: "cfg", What: "Connect gets exactly one role",
		Cure: "Use roles first, or roles choose.", Source: "Configure SAML for Connect", needs: []string{"T1"}, check: checkOneRole,
	},
	{
		ID: "T5", Level: Error, Where: "resp", What: "there is one RoleSessionName with one value",
		Cure: cureSessionName, AWS: "RoleSessionName is required in AuthnResponse", Source: "Troubleshoot SAML", needs: []string{"S1"}, check: checkSessionNamePresent,
	},
	{
		ID: "T6", Level: Error, Where: "resp", What: "the session name is 2 to 64 of letters, digits and _+=,.@-",
		Cure: cureSessionName, AWS: "RoleSessionName in AuthnResponse must match [a-zA-Z_0-9+=,.@-]{2,64}", Source: "Troubleshoot SAML; STS API model", needs: []string{"T5"}, check: checkSessionName,
	},
	{
		ID: "X4", Level: Error, Where: "cfg", What: "the session name can be the name of a Connect user: letters, digits, _.- or a full mail address, at most 64",
		Cure: cureSessionName + " Connect user names hold no + = or comma.", AWS: textNotOnboard, Source: "Connect CreateUser", needs: []string{"T6"}, check: checkUsername,
	},
	{
		ID: "T7", Level: Error, Where: "resp", What: "SessionDuration is a whole number of seconds from 900 to 43200",
		Cure: "Set session_duration between 15m and 12h.", AWS: textInvalid, Source: "Configure SAML assertions", needs: []string{"S1"}, check: checkDuration,
	},
	{
		ID: "T9", Level: Error, Where: "resp", What: "SourceIdentity is 2 to 64 of letters, digits and _+=,.@-, and does not begin with aws:",
		Cure: "Send another attribute as SourceIdentity, or none.", AWS: "Source Identity must match [a-zA-Z_0-9+=,.@-]{2,64} and not begin with \"aws:\"", Source: "Troubleshoot SAML; STS API model", needs: []string{"S1"}, check: checkSourceIdentity,
	},
	{
		ID: "T10", Level: Error, Where: "resp", What: "session tags: at most 50, one value each, no reserved key, no two keys alike, TransitiveTagKeys among them",
		Cure: "Check the tags in the configuration.", AWS: textInvalid, Source: "Pass session tags; STS API model", needs: []string{"S1"}, check: checkTags,
	},
	{
		ID: "T11", Level: Strict, Where: "resp", What: "no attribute is repeated, and AWS knows every one of its own",
		Cure: cureOurs, AWS: textInvalid, Source: "Configure SAML assertions", needs: []string{"S1"}, check: checkAttributeNames,
	},
	{
		ID: "T12", Level: Warn, Where: "resp", What: "nothing is sent that AWS has no use for",
		Cure: "Send AWS only its own attributes; others become keys of trust policies.", Source: "Configure SAML assertions", needs: []string{"S1"}, check: checkOtherAttributes,
	},
}
