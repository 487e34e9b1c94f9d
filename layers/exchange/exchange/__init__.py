"""The exchange: partners send health records, the world reads de-identified, linkable rows."""
