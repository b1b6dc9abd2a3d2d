"""Servers, clients and batch jobs for exported models; depends only on the SavedModel."""
