"""Wire contract of cxstream, generated from the .proto files. Do not edit."""
