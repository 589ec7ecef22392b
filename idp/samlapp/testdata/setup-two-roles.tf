# Lets Gatehouse sign people in to the Amazon Connect instance
# arn:aws:connect:eu-west-2:123456789012:instance/12345678-90ab-cdef-1234-567890abcdef
# (application connect). Apply it with a provider of account 123456789012.
# It needs gatehouse-metadata.xml beside it, which "caddy gatehouse metadata" makes; after a new key, make it
# again and apply. To undo all of this: terraform destroy, or remove this file and apply.

resource "aws_iam_saml_provider" "gatehouse_connect" {
  name                   = "Gatehouse"
  saml_metadata_document = file("${path.module}/gatehouse-metadata.xml")
}

data "aws_iam_policy_document" "gatehouse_connect_trust" {
  statement {
    actions = ["sts:AssumeRoleWithSAML"]

    principals {
      type        = "Federated"
      identifiers = [aws_iam_saml_provider.gatehouse_connect.arn]
    }

    condition {
      test     = "StringEquals"
      variable = "SAML:aud"
      values = [
        "https://signin.aws.amazon.com/saml",
        "https://eu-west-2.signin.aws.amazon.com/saml",
      ]
    }
  }
}

data "aws_iam_policy_document" "gatehouse_connect_federation" {
  statement {
    actions   = ["connect:GetFederationToken"]
    resources = ["arn:aws:connect:eu-west-2:123456789012:instance/12345678-90ab-cdef-1234-567890abcdef/user/$${aws:userid}"]
  }
}

resource "aws_iam_role" "gatehouse_connect_1" {
  name                 = "ConnectSupervisors"
  path                 = "/"
  max_session_duration = 3600
  assume_role_policy   = data.aws_iam_policy_document.gatehouse_connect_trust.json
}

resource "aws_iam_role_policy" "gatehouse_connect_1" {
  name   = "AmazonConnectFederation"
  role   = aws_iam_role.gatehouse_connect_1.id
  policy = data.aws_iam_policy_document.gatehouse_connect_federation.json
}

resource "aws_iam_role" "gatehouse_connect_2" {
  name                 = "ConnectAgents"
  path                 = "/team/"
  max_session_duration = 3600
  assume_role_policy   = data.aws_iam_policy_document.gatehouse_connect_trust.json
}

resource "aws_iam_role_policy" "gatehouse_connect_2" {
  name   = "AmazonConnectFederation"
  role   = aws_iam_role.gatehouse_connect_2.id
  policy = data.aws_iam_policy_document.gatehouse_connect_federation.json
}
