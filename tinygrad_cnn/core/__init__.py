"""The engine: tensors, operations, the recorded graph and backward. It knows no mathematics."""
