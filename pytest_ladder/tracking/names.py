"""Every name that leaves in a span: OpenTelemetry's for generative AI, and ours.

The conventions are in development and their names still move, so all of them stand
here, beside the version that they are of.
"""

from __future__ import annotations

SCHEMA_URL = "https://opentelemetry.io/schemas/gen-ai-dev/1.42.0-dev"
"""As `model/manifest.yaml` of open-telemetry/semantic-conventions-genai names it."""

CHAT = "chat"
"""The operation, and with the model the name of the span, of every call."""

OPERATION = "gen_ai.operation.name"
PROVIDER = "gen_ai.provider.name"
REQUEST_MODEL = "gen_ai.request.model"
RESPONSE_MODEL = "gen_ai.response.model"
FINISH_REASONS = "gen_ai.response.finish_reasons"
FIRST_TOKEN = "gen_ai.response.time_to_first_chunk"
INPUT_TOKENS = "gen_ai.usage.input_tokens"
OUTPUT_TOKENS = "gen_ai.usage.output_tokens"
CACHE_READ = "gen_ai.usage.cache_read.input_tokens"
CACHE_WRITE = "gen_ai.usage.cache_creation.input_tokens"
REASONING = "gen_ai.usage.reasoning.output_tokens"
INPUT_MESSAGES = "gen_ai.input.messages"
OUTPUT_MESSAGES = "gen_ai.output.messages"
ERROR = "error.type"

EVALUATION = "gen_ai.evaluation.result"
"""Name of the event that is one score."""
EVALUATION_NAME = "gen_ai.evaluation.name"
SCORE_VALUE = "gen_ai.evaluation.score.value"
SCORE_LABEL = "gen_ai.evaluation.score.label"
EXPLANATION = "gen_ai.evaluation.explanation"

RUN = "ladder.run"
TEST = "ladder.test"
RUNG = "ladder.rung"
LEVEL = "ladder.level"
SOURCE = "ladder.source"
CASE = "ladder.case"
SAMPLE = "ladder.sample"
OUTCOME = "ladder.outcome"
TAGS = "ladder.tags"
EXPECTED = "ladder.expected"
COST_USD = "ladder.cost_usd"
REPLAYED = "ladder.replayed"
"""False once a call that this run paid for; true for every later use of it."""
JUDGES = "ladder.judges"
"""Whether only the evaluation paid for the call: one of a judge."""
KEY = "ladder.key"
"""Of the reply: uses of one call in several traces share it."""
CALLS = "ladder.calls"
"""How many calls a span stands for, where it stands for several."""

# MLflow's own, as its reference of attribute mapping names them; values are JSON.
MLFLOW_INPUTS = "mlflow.spanInputs"
MLFLOW_OUTPUTS = "mlflow.spanOutputs"
MLFLOW_COST = "mlflow.llm.cost"

# From the prefix of a model's id to what the conventions call the provider.
PROVIDERS = {
    "azure": "azure.ai.openai",
    "azure_ai": "azure.ai.inference",
    "bedrock": "aws.bedrock",
    "gemini": "gcp.gemini",
    "mistral": "mistral_ai",
    "moonshot": "moonshot_ai",
    "sagemaker": "aws.sagemaker",
    "vertex_ai": "gcp.vertex_ai",
    "watsonx": "ibm.watsonx.ai",
    "xai": "x_ai",
}
