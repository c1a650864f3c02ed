"""The gRPC service: rpcs, status mapping, health, lifecycle. Translation only."""
