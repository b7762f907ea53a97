"""The protocols that clients speak: one module each, on the codecs of `providers.wire`."""
