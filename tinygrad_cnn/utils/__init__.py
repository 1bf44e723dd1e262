"""What training programs need beside the model."""
