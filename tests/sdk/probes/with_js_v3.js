// AWS SDK for JavaScript v3: one STS client with the default provider chain.
"use strict";

const { GetCallerIdentityCommand, STSClient } = require("@aws-sdk/client-sts");
const { MetadataService } = require("@aws-sdk/ec2-metadata-service");
const { serve } = require("./answers.js");

const sts = new STSClient({ region: "us-east-1", endpoint: process.env.MIRROR });

serve({
  use: async () => (await sts.send(new GetCallerIdentityCommand({}))).UserId,
  // Nothing in this SDK looks for the Region in IMDS by itself; its metadata client does when asked.
  region: () => new MetadataService({}).request("/latest/meta-data/placement/region", {}),
});
