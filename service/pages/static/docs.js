// Shows openapi.json with Swagger UI. validatorUrl: it would else ask another site for a badge.
SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#api",
  deepLinking: true,
  defaultModelsExpandDepth: 0,
  validatorUrl: null,
});
