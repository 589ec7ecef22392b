// Checks CloudFormation templates against AWS's resource schemas and cfn-lint's rules: node check.js FILE…
// Prints a line for each finding; exits with 1 where there is one, advice aside.
const { RegoEngine, TemplateFile } = require("@aws/cloudformation-validate");

const engine = new RegoEngine();
let found = 0;
for (const file of process.argv.slice(2)) {
  const { metadata, diagnostics } = engine.validateStandard(new TemplateFile(file), { severityLevel: "WARN" });
  console.log(`${file}: ${metadata.resourcesScanned} resources, schemas ${metadata.resourceSchemaVersion.split("@").pop()}`);
  for (const d of diagnostics) {
    found++;
    console.log(`${file}:${d.startLine}: ${d.severity} ${d.ruleId} ${d.propertyPath ?? ""} ${d.message}`);
  }
}
engine.free();
process.exit(found > 0 ? 1 : 0);
