"""The main job on real data: `lossmith demo`."""
