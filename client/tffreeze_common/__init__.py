"""What the client and the engine both know: options, reports, and protobuf's wire format. Knows neither of them."""
