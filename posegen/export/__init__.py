"""What leaves PoseGen for other projects: fine-tuned weights, and generated pictures with their truth."""
