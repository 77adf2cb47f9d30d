"""What the processes of one machine share: claims, the budget and limits."""
