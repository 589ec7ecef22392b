#!/bin/sh
# Lets Gatehouse sign people in to the Amazon Connect instance
# arn:aws-us-gov:connect:us-gov-west-1:123456789012:instance/12345678-90ab-cdef-1234-567890abcdef
# (application connect). Read it, then run it with administrator credentials of account 123456789012.
# It needs gatehouse-metadata.xml beside it, which "caddy gatehouse metadata" makes.
set -eu
export AWS_REGION='us-gov-west-1'

account=$(aws sts get-caller-identity --query Account --output text)
if [ "$account" != '123456789012' ]; then
	echo "these credentials belong to account $account, not to 123456789012" >&2
	exit 1
fi

aws iam create-saml-provider \
	--name 'Gatehouse' \
	--saml-metadata-document 'file://gatehouse-metadata.xml'

aws iam create-role \
	--role-name 'ConnectFederation' \
	--path '/' \
	--max-session-duration 43200 \
	--assume-role-policy-document '{
	  "Version": "2012-10-17",
	  "Statement": [
	    {
	      "Effect": "Allow",
	      "Principal": {
	        "Federated": "arn:aws-us-gov:iam::123456789012:saml-provider/Gatehouse"
	      },
	      "Action": "sts:AssumeRoleWithSAML",
	      "Condition": {
	        "StringEquals": {
	          "SAML:aud": [
	            "https://signin.amazonaws-us-gov.com/saml",
	            "https://us-gov-west-1.signin.amazonaws-us-gov.com/saml"
	          ]
	        }
	      }
	    }
	  ]
	}'

aws iam put-role-policy \
	--role-name 'ConnectFederation' \
	--policy-name 'AmazonConnectFederation' \
	--policy-document '{
	  "Version": "2012-10-17",
	  "Statement": [
	    {
	      "Effect": "Allow",
	      "Action": "connect:GetFederationToken",
	      "Resource": "arn:aws-us-gov:connect:us-gov-west-1:123456789012:instance/12345678-90ab-cdef-1234-567890abcdef/user/${aws:userid}"
	    }
	  ]
	}'

# After "caddy gatehouse keys" has made a new key, give AWS the new metadata:
#	aws iam update-saml-provider \
#		--saml-provider-arn 'arn:aws-us-gov:iam::123456789012:saml-provider/Gatehouse' \
#		--saml-metadata-document 'file://gatehouse-metadata.xml'

# To undo all of this:
#	aws iam delete-role-policy --role-name 'ConnectFederation' --policy-name 'AmazonConnectFederation'
#	aws iam delete-role --role-name 'ConnectFederation'
#	aws iam delete-saml-provider --saml-provider-arn 'arn:aws-us-gov:iam::123456789012:saml-provider/Gatehouse'
